"""The check of resuming in a new process: state of the class is not in the file."""

from __future__ import annotations

from typing import ClassVar

import pytest
from life_cycle import Sound, cases, sentence


class SharedCounts(Sound):
    counts: ClassVar[dict] = {}

    def update(self, p, g, group, state):
        super().update(p, g, group, state)
        self.counts[p.shape] = self.counts.get(p.shape, 0) + 1
        p.sub_(0.01 * self.counts[p.shape])


@pytest.mark.full
def test_sound_state_passes():
    assert sentence(Sound, "resume_in_new_process", extras=("process",)) == ""


def test_state_of_the_class_is_found():
    found = sentence(SharedCounts, "resume_in_new_process", extras=("process",))
    assert found.startswith("after step 12, resumed in a new process after step 5, tensor 0 (4x3) is")


def test_it_is_made_on_request_only_and_of_what_has_a_name():
    class Local(Sound):
        pass

    assert cases(Sound, "resume_in_new_process") == []
    assert cases(Local, "resume_in_new_process", extras=("process",)) == []

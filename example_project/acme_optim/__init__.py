"""Three optimizers: one element-wise, one per matrix, one that is used with a schedule."""

from acme_optim.adam import AcmeAdam
from acme_optim.momentum import AcmeMomentum
from acme_optim.ortho import AcmeOrtho

__all__ = ["AcmeAdam", "AcmeMomentum", "AcmeOrtho"]

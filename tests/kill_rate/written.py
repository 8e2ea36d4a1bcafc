WRITTEN=();REWRITES=();Written=object

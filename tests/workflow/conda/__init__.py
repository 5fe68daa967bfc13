"""A stand-in for conda and its channel, with which `--use-conda` is run where the true channel is not."""

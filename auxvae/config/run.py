from auxvae.config.spec import Fleet, Run, Source, read_run

__all__ = ["Fleet", "Run", "Source", "read_run"]

"""What a config may say: the YAML file, the tables of keys, their checks, the settings of a run."""

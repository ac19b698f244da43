"""How the plugin gets into the toolbox: registration, changes of its behaviour, its checkout."""

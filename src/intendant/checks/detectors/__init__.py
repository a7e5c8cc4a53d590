"""The automatic checks, one file each; `checks/battery.py` names them in their order."""

"""The automatic checks, one file each; `checks/detect.py` names them in their order."""

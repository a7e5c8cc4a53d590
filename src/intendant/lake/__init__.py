"""The lake: every table as versions of Parquet files in a local folder, in the open Delta format."""

from intendant.lake.lake import Dropped, Lake
from intendant.lake.stage import Stage

__all__ = ["Dropped", "Lake", "Stage"]

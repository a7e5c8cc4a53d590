"""The lake: every table as versions of Parquet files, in a folder or on object storage, in the open Delta format."""

from intendant.lake.lake import Lake
from intendant.lake.open import lake_of
from intendant.lake.stage import Stage
from intendant.lake.store import Dropped

__all__ = ["Dropped", "Lake", "Stage", "lake_of"]

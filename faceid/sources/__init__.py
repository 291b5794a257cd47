"""Turns the paths that a user gives into a stream of photos with the names of their people.

Three ways in: `of_person` (paths and one name), `of_folders` (a folder a person, or archives of them) and `of_table` (a
list with names). Nothing is decoded here, and nothing is unpacked to the disk.
"""

from faceid.sources.folders import of_folders
from faceid.sources.paths import of_person
from faceid.sources.photo import Photo, Photos
from faceid.sources.tables import of_table

__all__ = ["Photo", "Photos", "of_folders", "of_person", "of_table"]

"""Movies: their frames one by one from MRC, TIFF or EER, corrected by gain and defects.

with open_movie(path) as movie:
    correction = Correction.of(movie.header, gain=read_gain(gain_path))
    for number in range(movie.header.frames):
        frame = correction.apply(movie.frame(number), number)          # float32 (y, x)
"""

from structloop.micrographs.movies.correcting import Correction
from structloop.micrographs.movies.defects import find_hot_pixels, read_defects
from structloop.micrographs.movies.eer import EerGrouping
from structloop.micrographs.movies.files import MovieFile, MovieHeader
from structloop.micrographs.movies.gain import read_gain
from structloop.micrographs.movies.opening import MOVIE_ENDINGS, open_movie

__all__ = [
    "MOVIE_ENDINGS",
    "Correction",
    "EerGrouping",
    "MovieFile",
    "MovieHeader",
    "find_hot_pixels",
    "open_movie",
    "read_defects",
    "read_gain",
]

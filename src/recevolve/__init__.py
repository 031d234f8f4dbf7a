"""RecEvolve: an evolutionary program-search engine that improves recommender systems by itself."""

__version__ = "0.1.0"

"""The cryo-EM session application: atlas, squares, holes; where to look next."""

"""`python -m structloop` is the same as `structloop`."""

from structloop.cli.main import main

if __name__ == "__main__":
    main()

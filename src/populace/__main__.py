"""`python -m populace` is the command `populace`."""

from populace.cli import main

if __name__ == "__main__":
    main()

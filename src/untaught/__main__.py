"""`python -m untaught`."""

from untaught.cli.main import main

if __name__ == "__main__":
    main()

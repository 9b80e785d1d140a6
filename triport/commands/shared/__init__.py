"""What every command uses: options, and how results reach the terminal or a file."""

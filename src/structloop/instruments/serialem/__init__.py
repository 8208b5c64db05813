"""SerialEM without its compiled module: the socket protocol, a client, a driver, and its files."""

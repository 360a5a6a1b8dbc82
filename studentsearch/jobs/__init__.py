"""One long job a file; jobs join the columns below them."""

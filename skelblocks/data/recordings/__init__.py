"""Long recordings: cut them into windows, label them, and put them into a prepared set."""

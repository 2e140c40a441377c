"""Synthetic motion: a body, classes of motion, performances, a sensor."""

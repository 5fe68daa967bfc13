"""Tables, figures and one HTML page of a study."""

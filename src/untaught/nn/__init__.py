"""Networks: frozen teachers and the students that learn from them."""

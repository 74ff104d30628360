"""What a student is trained to make small."""

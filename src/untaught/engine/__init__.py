"""The engine: what every method shares while it trains, predicts and is measured."""

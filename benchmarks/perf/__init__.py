"""Speed and size, measured side by side on the machine at hand. No part of the ordinary tests."""

"""The published folder of a network of the publisher's own: what can be shown of it without its code."""

"""What keeps control safe: pure logic on a clock that is passed in, no I/O."""

"""medgraft: transfer learning for medical images, chosen honestly."""

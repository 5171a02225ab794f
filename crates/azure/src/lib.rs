//! Azure as a seam: credential chain, transport, retry and a thin Azure Resource Manager client.

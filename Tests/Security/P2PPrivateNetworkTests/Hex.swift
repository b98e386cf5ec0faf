import P2PMultiformats

/// The bytes of hexadecimal digits.
func hex(_ text: String) throws -> [UInt8] { try Base16.decode(text) }

/// Whether bytes, in pieces cut anywhere, are UTF-8 (RFC 3629): fails at the first byte that no text can have there.
struct UTF8Check: Equatable, Sendable {
    /// Continuation bytes that are missing.
    private var missing = 0
    /// What the next of them may be; narrower behind E0, ED, F0 and F4.
    private var range: ClosedRange<UInt8> = 0x80...0xbf

    /// Whether the text may end here.
    var isComplete: Bool { self.missing == 0 }

    /// Takes a piece; false when the text is broken, for good.
    mutating func accepts(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes {
            if self.missing > 0 {
                guard self.range.contains(byte) else { return false }
                self.missing -= 1
                self.range = 0x80...0xbf
                continue
            }
            switch byte {
            case 0x00...0x7f: break
            case 0xc2...0xdf: self.missing = 1
            case 0xe0: (self.missing, self.range) = (2, 0xa0...0xbf)
            case 0xed: (self.missing, self.range) = (2, 0x80...0x9f)
            case 0xe1...0xef: self.missing = 2
            case 0xf0: (self.missing, self.range) = (3, 0x90...0xbf)
            case 0xf1...0xf3: self.missing = 3
            case 0xf4: (self.missing, self.range) = (3, 0x80...0x8f)
            default: return false
            }
        }
        return true
    }
}

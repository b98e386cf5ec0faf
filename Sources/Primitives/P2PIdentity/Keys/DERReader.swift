/// Reads the little DER that RSA keys need (X.690, section 10), and refuses everything that is only BER.
///
/// There is one way to spell an element under this reader, so a key that it reads is in canonical form.
struct DERReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        self.rest = bytes
    }

    /// Takes one element of the given tag and returns its content.
    mutating func element(_ tag: Tag) throws(IdentityError) -> ArraySlice<UInt8> {
        guard self.rest.popFirst() == tag.rawValue else {
            throw IdentityError(.malformedKey, "DER: expected \(tag) (0x\(String(tag.rawValue, radix: 16)))")
        }
        let length = try self.length()
        guard length <= self.rest.count else {
            throw IdentityError(.malformedKey, "DER: \(tag) of \(length) bytes where \(self.rest.count) are left")
        }
        let content = self.rest.prefix(length)
        self.rest = self.rest.dropFirst(length)
        return content
    }

    /// Takes a non-negative INTEGER in its shortest form and returns its magnitude without leading zeros; zero is empty.
    mutating func magnitude() throws(IdentityError) -> ArraySlice<UInt8> {
        let content = try self.element(.integer)
        guard let first = content.first else {
            throw IdentityError(.malformedKey, "DER: an INTEGER without content")
        }
        guard first & 0x80 == 0 else {
            throw IdentityError(.malformedKey, "DER: a negative INTEGER in a key")
        }
        guard first == 0 else { return content }
        let magnitude = content.dropFirst()
        guard magnitude.isEmpty || magnitude.first.map({ $0 & 0x80 != 0 }) == true else {
            throw IdentityError(.nonCanonicalKey, "DER: an INTEGER with needless leading zeros")
        }
        return magnitude
    }

    /// Checks that nothing follows.
    func end() throws(IdentityError) {
        guard self.rest.isEmpty else {
            throw IdentityError(.nonCanonicalKey, "DER: \(self.rest.count) bytes after the end")
        }
    }

    private mutating func length() throws(IdentityError) -> Int {
        guard let first = self.rest.popFirst() else {
            throw IdentityError(.malformedKey, "DER: truncated before a length")
        }
        guard first & 0x80 != 0 else { return Int(first) }
        let count = Int(first & 0x7F)
        guard (1...2).contains(count), count <= self.rest.count else {
            throw IdentityError(.malformedKey, "DER: a length that is indefinite, truncated or above 65,535")
        }
        var length = 0
        for byte in self.rest.prefix(count) { length = length << 8 | Int(byte) }
        self.rest = self.rest.dropFirst(count)
        guard length >= (count == 1 ? 0x80 : 0x100) else {
            throw IdentityError(.nonCanonicalKey, "DER: a length that is longer than need be")
        }
        return length
    }
}

extension DERReader {
    /// The element types that occur in RSA keys.
    enum Tag: UInt8 {
        case integer = 0x02
        case bitString = 0x03
        case sequence = 0x30
    }
}

/// A base whose digits are whole bits, most significant first (RFC 4648 and its relatives); linear in time.
struct BitPackedBase: Sendable {
    let alphabet: Alphabet
    /// Bits a character, 1 to 6.
    let bitsPerCharacter: Int
    /// Whether the text is filled up with `=` to a whole group.
    let isPadded: Bool

    static let padding = UInt8(ascii: "=")

    init(_ characters: StaticString, bits: Int, ignoringCase: Bool = false, padded: Bool = false) {
        self.alphabet = Alphabet(characters, ignoringCase: ignoringCase)
        self.bitsPerCharacter = bits
        self.isPadded = padded
    }

    /// Characters in the smallest group that holds whole bytes: 8 in base32, 4 in base64.
    private var groupLength: Int { 8 >> self.bitsPerCharacter.trailingZeroBitCount }

    func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count * 8 + self.bitsPerCharacter - 1) / self.bitsPerCharacter + self.groupLength)
        let mask: UInt32 = (1 << self.bitsPerCharacter) - 1
        var accumulator: UInt32 = 0
        var held = 0
        for byte in bytes {
            accumulator = (accumulator << 8 | UInt32(byte)) & 0xffff
            held += 8
            while held >= self.bitsPerCharacter {
                held -= self.bitsPerCharacter
                text.append(self.alphabet.characters[Int(accumulator >> UInt32(held) & mask)])
            }
        }
        if held > 0 {
            text.append(self.alphabet.characters[Int(accumulator << UInt32(self.bitsPerCharacter - held) & mask)])
        }
        while self.isPadded, text.count % self.groupLength != 0 {
            text.append(Self.padding)
        }
        return String(decoding: text, as: UTF8.self)
    }

    func decode(_ text: [UInt8]) throws(MultiformatsError) -> [UInt8] {
        let length = text.count
        var digits = length
        if self.isPadded {
            guard length % self.groupLength == 0 else {
                throw MultiformatsError(
                    .invalidLength, "padded text has whole groups of \(self.groupLength) characters, this has \(length)")
            }
            let padding = text.suffix(self.groupLength - 1).reversed().prefix { $0 == Self.padding }.count
            digits = length - padding
        }
        let spareBits = digits * self.bitsPerCharacter % 8
        guard spareBits < self.bitsPerCharacter else {
            throw MultiformatsError(.invalidLength, "no bytes have a text of \(digits) digits")
        }

        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits * self.bitsPerCharacter / 8)
        var accumulator: UInt32 = 0
        var held = 0
        for (position, character) in text.prefix(digits).enumerated() {
            guard let digit = self.alphabet.digit(of: character) else {
                throw Alphabet.invalidCharacter(character, at: position)
            }
            accumulator = (accumulator << UInt32(self.bitsPerCharacter) | UInt32(digit)) & 0xffff
            held += self.bitsPerCharacter
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: accumulator >> UInt32(held)))
            }
        }
        guard accumulator & ((1 << UInt32(held)) - 1) == 0 else {
            throw MultiformatsError(.notCanonical, "the bits after the last byte are not zero")
        }
        return bytes
    }
}

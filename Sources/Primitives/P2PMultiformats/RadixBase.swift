/// A base that treats the bytes as one big number (base10, base36, base58), with a leading zero digit for each leading zero byte.
///
/// The work grows with the square of the length, so the length is checked before anything else.
struct RadixBase: Sendable {
    /// The longest text that is decoded, in characters. Keys, hashes and peer ids are far below it.
    static let maxTextLength = 1024

    let alphabet: Alphabet
    /// How many digits share one limb, so that `limbRadix * 256` fits 64 bits.
    private let digitsPerLimb: Int
    private let limbRadix: UInt64

    init(_ characters: StaticString, ignoringCase: Bool = false) {
        self.alphabet = Alphabet(characters, ignoringCase: ignoringCase)
        var digits = 0
        var radix: UInt64 = 1
        while radix <= UInt64(1 << 52) / UInt64(self.alphabet.base) {
            radix *= UInt64(self.alphabet.base)
            digits += 1
        }
        self.digitsPerLimb = digits
        self.limbRadix = radix
    }

    func encode(_ bytes: [UInt8]) -> String {
        let zeros = bytes.prefix { $0 == 0 }.count
        var limbs: [UInt64] = []
        limbs.reserveCapacity(bytes.count / 6 + 1)
        for byte in bytes.dropFirst(zeros) {
            var carry = UInt64(byte)
            for index in limbs.indices {
                let sum = limbs[index] * 256 + carry
                limbs[index] = sum % self.limbRadix
                carry = sum / self.limbRadix
            }
            if carry > 0 {
                limbs.append(carry)
            }
        }
        var reversed: [UInt8] = []
        reversed.reserveCapacity(zeros + limbs.count * self.digitsPerLimb)
        let base = UInt64(self.alphabet.base)
        for (index, limb) in limbs.enumerated() {
            var rest = limb
            for _ in 0..<self.digitsPerLimb where index + 1 < limbs.count || rest > 0 {
                reversed.append(self.alphabet.characters[Int(rest % base)])
                rest /= base
            }
        }
        reversed.append(contentsOf: repeatElement(self.alphabet.characters[0], count: zeros))
        reversed.reverse()
        return String(decoding: reversed, as: UTF8.self)
    }

    func decode(_ text: [UInt8]) throws(MultiformatsError) -> [UInt8] {
        guard text.count <= Self.maxTextLength else {
            throw MultiformatsError(.tooLong, "\(text.count) characters are beyond the limit of \(Self.maxTextLength) for this base")
        }
        let base = UInt64(self.alphabet.base)
        var zeros = 0
        var limbs: [UInt32] = []
        for (position, character) in text.enumerated() {
            guard let digit = self.alphabet.digit(of: character) else {
                throw Alphabet.invalidCharacter(character, at: position)
            }
            if digit == 0, limbs.isEmpty {
                zeros += 1
                continue
            }
            var carry = UInt64(digit)
            for index in limbs.indices {
                let sum = UInt64(limbs[index]) * base + carry
                limbs[index] = UInt32(truncatingIfNeeded: sum)
                carry = sum >> 32
            }
            if carry > 0 {
                limbs.append(UInt32(truncatingIfNeeded: carry))
            }
        }
        var bytes = [UInt8](repeating: 0, count: zeros)
        bytes.reserveCapacity(zeros + limbs.count * 4)
        for limb in limbs.reversed() {
            for shift: UInt32 in [24, 16, 8, 0] {
                let byte = UInt8(truncatingIfNeeded: limb >> shift)
                if byte != 0 || bytes.count > zeros {
                    bytes.append(byte)
                }
            }
        }
        return bytes
    }
}

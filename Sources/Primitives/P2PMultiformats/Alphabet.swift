/// The digits of one base, and the way back from a character to its digit.
struct Alphabet: Sendable {
    /// The character of each digit, in ASCII.
    let characters: [UInt8]
    /// The digit of each byte value; `noDigit` where there is none.
    private let digits: [UInt8]
    private static let noDigit: UInt8 = 0xff

    /// - Parameter ignoringCase: letters of the other case are read as well, and never written.
    init(_ characters: StaticString, ignoringCase: Bool = false) {
        self.characters = characters.withUTF8Buffer { Array($0) }
        var digits = [UInt8](repeating: Self.noDigit, count: 256)
        for (digit, character) in zip(UInt8(0)..., self.characters) {
            digits[Int(character)] = digit
            if ignoringCase, Self.isLetter(character) {
                digits[Int(character ^ 0x20)] = digit
            }
        }
        self.digits = digits
    }

    /// The number of digits.
    var base: Int { self.characters.count }

    /// The digit that `character` stands for, if it is in the alphabet.
    func digit(of character: UInt8) -> UInt8? {
        let digit = self.digits[Int(character)]
        return digit == Self.noDigit ? nil : digit
    }

    /// The error for a character that is no digit, `position` characters into the text.
    static func invalidCharacter(_ character: UInt8, at position: Int) -> MultiformatsError {
        let shown = (0x21...0x7e).contains(character) ? "'\(Character(Unicode.Scalar(character)))'" : "byte \(character)"
        return MultiformatsError(.invalidCharacter, "\(shown) at position \(position) is not in the alphabet")
    }

    private static func isLetter(_ character: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(character | 0x20)
    }
}

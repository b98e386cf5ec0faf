/// A stream's name on one connection: both sides may use a number, so it takes the side that opened the stream as well.
package struct MplexStreamID: Hashable, Sendable, CustomStringConvertible {
    /// The highest number that a header of nine bytes can carry beside its three bits of flags.
    package static let maximumNumber: UInt64 = (1 << 60) - 1

    package let number: UInt64
    /// Whether our side opened the stream.
    package let isOurs: Bool

    package init(_ number: UInt64, isOurs: Bool) {
        self.number = number
        self.isOurs = isOurs
    }

    /// As one number.
    var rawValue: UInt64 { self.number << 2 | (self.isOurs ? 0b11 : 0b01) }

    package var description: String { "\(self.number) of \(self.isOurs ? "ours" : "the peer")" }
}

public import P2PCore

/// The secret that every member of a private network holds (pnet spec, "Interface").
///
/// Whoever has it may join and may read who talks to whom; it authenticates nobody. It never shows itself in text.
public struct PreSharedKey: Sendable, Hashable {
    /// Bytes of a key.
    public static let size = 32

    /// The secret itself.
    public let bytes: [UInt8]

    /// A key that was agreed on elsewhere.
    ///
    /// - Throws: `.malformedKey` unless there are exactly ``size`` bytes.
    public init(bytes: [UInt8]) throws(PrivateNetworkError) {
        guard bytes.count == Self.size else {
            throw PrivateNetworkError(.malformedKey, "a private network's key has \(Self.size) bytes, not \(bytes.count)")
        }
        self.bytes = bytes
    }

    private init(random generator: inout SystemRandomNumberGenerator) {
        self.bytes = (0..<Self.size).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// A new key, from the system's source of randomness.
    public static func generate() -> PreSharedKey {
        var generator = SystemRandomNumberGenerator()
        return PreSharedKey(random: &generator)
    }
}

extension PreSharedKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Says what it is, and nothing of the secret.
    public var description: String { "PreSharedKey(hidden)" }
    /// The same.
    public var debugDescription: String { self.description }
    /// Without children, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}

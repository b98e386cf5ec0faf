public import P2PCore

/// Says which values of a namespace are valid, and which of several is the best (kad-dht spec, "Entry validation" and "Content replication").
///
/// Both are pure: the same arguments have the same answer, whoever asks. They are asked of whatever peers send, so what takes long must be bounded by the length of the value, which
/// the table bounds.
public protocol RecordValidator: Sendable {
    /// Whether the value may stand under the key.
    ///
    /// - Parameters:
    ///   - key: all of it, namespace included.
    ///   - now: seconds since 1970, UTC.
    /// - Throws: `invalidKey` or `invalidValue`, with the reason.
    func validate(_ value: [UInt8], for key: [UInt8], at now: Int64) throws(KademliaError)
    /// Whether `value` is better than `other`; both are valid. Of two that are as good, neither is.
    func prefers(_ value: [UInt8], to other: [UInt8], for key: [UInt8]) -> Bool
    /// Until when a valid value is valid, in seconds since 1970, UTC; nil for ever.
    func end(of value: [UInt8], for key: [UInt8]) -> Int64?
}

extension RecordValidator {
    /// Values do not age, unless a validator says so.
    public func end(of value: [UInt8], for key: [UInt8]) -> Int64? { nil }
}

/// The namespaces that a node takes values of, each with its validator. There is none without: what nobody checks, anybody overwrites.
public struct RecordNamespaces: Sendable {
    private var validators: [String: any RecordValidator] = [:]

    /// None.
    public init() {}

    /// `pk` and `ipns`: those of the public network.
    public static var publicNetwork: RecordNamespaces {
        var namespaces = RecordNamespaces()
        namespaces["pk"] = PublicKeyValidator()
        namespaces["ipns"] = IPNSValidator()
        return namespaces
    }

    /// The validator of a namespace.
    public subscript(_ namespace: String) -> (any RecordValidator)? {
        get { self.validators[namespace] }
        set { self.validators[namespace] = newValue }
    }

    /// The names, in order.
    public var names: [String] { self.validators.keys.sorted() }

    /// The validator for a key, which is `/namespace/` and something.
    ///
    /// - Throws: `invalidKey`.
    public func validator(for key: [UInt8]) throws(KademliaError) -> any RecordValidator {
        guard key.count <= KademliaLimits.keyLength else {
            throw KademliaError(.invalidKey, "a key of \(key.count) bytes is beyond the limit of \(KademliaLimits.keyLength)")
        }
        let slash = UInt8(ascii: "/")
        guard key.first == slash, let end = key.dropFirst().firstIndex(of: slash), end > 1, end + 1 < key.count,
            let name = String(validating: key[1..<end], as: UTF8.self)
        else { throw KademliaError(.invalidKey, "the key of a value is /namespace/ and something") }
        guard let validator = self.validators[name] else {
            throw KademliaError(
                .invalidKey, "this node has no validator for the namespace \(name); it has \(self.names.joined(separator: ", "))")
        }
        return validator
    }
}

/// Takes any value, and of two the one that is greater byte by byte: for networks whose members trust each other, and for tests.
public struct AnyValueValidator: RecordValidator {
    /// A validator without settings.
    public init() {}

    /// Refuses nothing.
    public func validate(_ value: [UInt8], for key: [UInt8], at now: Int64) throws(KademliaError) {}

    /// The greater one, so that all holders agree in the end.
    public func prefers(_ value: [UInt8], to other: [UInt8], for key: [UInt8]) -> Bool { other.lexicographicallyPrecedes(value) }
}

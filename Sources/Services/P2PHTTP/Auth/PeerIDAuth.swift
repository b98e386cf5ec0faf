import P2PIdentity
import P2PMultiformats

/// Peer-id authentication for HTTP (libp2p specs, "http/peer-id-auth"): what is signed, and how it stands in fields.
public enum PeerIDAuth {
    /// The scheme in `WWW-Authenticate` and `Authorization`.
    public static let scheme = "libp2p-PeerID"
    /// Where it is asked for, as a protocol of the map.
    public static let protocolID = "/http-peer-id-auth/1.0.0"
    /// The longest field that is read, in bytes.
    public static let maximumField = 2_048
    /// The shortest challenge that is taken, in characters, and the longest.
    static let challengeLength = 32...256

    /// The bytes that are signed: the scheme, then each parameter with its length, in the order of their names.
    static func signedBytes(_ parameters: [(name: String, value: [UInt8])]) -> [UInt8] {
        var bytes = Array(Self.scheme.utf8)
        for (name, value) in parameters.sorted(by: { $0.name < $1.name }) {
            let part = Array(name.utf8) + [UInt8(ascii: "=")] + value
            bytes += UnsignedVarint.encode(UInt64(part.count)) + part
        }
        return bytes
    }

    /// What a client signs to prove who it is.
    static func clientBytes(challenge: String, hostname: String, serverKey: PublicKey) -> [UInt8] {
        self.signedBytes([
            ("challenge-client", Array(challenge.utf8)), ("hostname", Array(hostname.utf8)),
            ("server-public-key", serverKey.protobufEncoded),
        ])
    }

    /// What a server signs to prove who it is.
    static func serverBytes(challenge: String, hostname: String, clientKey: PublicKey) -> [UInt8] {
        self.signedBytes([
            ("challenge-server", Array(challenge.utf8)), ("client-public-key", clientKey.protobufEncoded),
            ("hostname", Array(hostname.utf8)),
        ])
    }

    /// Base64 for URLs, with padding, which go's reader needs.
    static func encode(_ bytes: [UInt8]) -> String { Multibase.base64urlpad.encodeWithoutPrefix(bytes) }

    /// The same, with padding or without.
    static func decode(_ text: String) -> [UInt8]? {
        try? Multibase.base64url.decodeWithoutPrefix(String(text.reversed().drop { $0 == "=" }.reversed()))
    }
}

/// The parameters of one field of the scheme.
struct PeerIDAuthParameters: Sendable, Hashable {
    private(set) var values: [String: String] = [:]

    init(_ values: [String: String]) { self.values = values }

    subscript(_ name: String) -> String? { self.values[name] }

    /// Reads a field: parameters behind the scheme's name, separated by commas, spaces or both. Another scheme may follow.
    ///
    /// - Returns: nil where the scheme is another, or the field is longer than is read, or broken.
    init?(_ field: String) {
        guard field.utf8.count <= PeerIDAuth.maximumField else { return nil }
        var rest = Substring(field)
        guard rest.prefix(PeerIDAuth.scheme.count).lowercased() == PeerIDAuth.scheme.lowercased() else { return nil }
        rest = rest.dropFirst(PeerIDAuth.scheme.count)
        guard rest.isEmpty || rest.first == " " || rest.first == "," else { return nil }
        while true {
            rest = rest.drop { $0 == " " || $0 == "\t" || $0 == "," }
            let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
            guard !name.isEmpty else { break }
            let behind = rest.dropFirst(name.count)
            // A name alone is that of another scheme.
            guard behind.first == "=" else { break }
            rest = behind.dropFirst()
            guard rest.first == "\"", let end = rest.dropFirst().firstIndex(of: "\"") else { return nil }
            let value = rest[rest.index(after: rest.startIndex)..<end]
            guard self.values[String(name)] == nil else { return nil }
            self.values[String(name)] = String(value)
            rest = rest[rest.index(after: end)...]
        }
        guard !self.values.isEmpty else { return nil }
    }

    /// The field.
    var text: String {
        "\(PeerIDAuth.scheme) " + self.values.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ", ")
    }

    var publicKey: PublicKey? {
        self["public-key"].flatMap(PeerIDAuth.decode).flatMap { try? PublicKey(protobufEncoded: $0) }
    }

    var signature: [UInt8]? { self["sig"].flatMap(PeerIDAuth.decode) }

    /// A challenge that is as long as one has to be.
    func challenge(_ name: String) -> String? {
        self[name].flatMap { PeerIDAuth.challengeLength.contains($0.utf8.count) ? $0 : nil }
    }
}

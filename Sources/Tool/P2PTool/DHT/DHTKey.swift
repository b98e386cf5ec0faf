import ArgumentParser
import P2PIdentity
import P2PMultiformats

/// A key as people write it, and as it stands on the wire.
struct DHTKey: ExpressibleByArgument, Equatable {
    let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// What a key may be, for people.
    static let forms = "a CID, a peer's id, /pk/ or /ipns/ and a peer's id, another /namespace/ and text, or hex: and bytes"

    /// - Throws: what a key may be.
    static func parse(_ text: String) throws -> DHTKey {
        guard let key = DHTKey(argument: text) else { throw ValidationError("a key is \(Self.forms).") }
        return key
    }

    /// The key of a value.
    ///
    /// - Throws: what the key of a value is.
    static func parseForValue(_ text: String) throws -> DHTKey {
        let key = try Self.parse(text)
        guard key.namespace != nil else {
            throw ValidationError("the key of a value is /ipns/ or /pk/ and a peer's id, or another /namespace/ and text.")
        }
        return key
    }

    /// A CID of either version, also behind `/ipfs/`, or a peer's id, of which the multihash counts; `/pk/` or `/ipns/` and a peer's id; another `/namespace/`
    /// and text; `hex:` and the bytes themselves.
    init?(argument: String) {
        if argument.hasPrefix("hex:") {
            guard let bytes = try? Base16.decode(argument.dropFirst(4)), !bytes.isEmpty else { return nil }
            self.bytes = bytes
        } else if argument.hasPrefix("/") {
            let parts = argument.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, !parts[1].isEmpty, !parts[2].isEmpty else { return nil }
            if parts[1] == "pk" || parts[1] == "ipns" {
                guard let peer = PeerID(String(parts[2])) else { return nil }
                self.bytes = Array("/\(parts[1])/".utf8) + peer.bytes
            } else if parts[1] == "ipfs" {
                // Who has something is told under the CID alone.
                guard !parts[2].hasPrefix("hex:"), !parts[2].contains("/"), let key = DHTKey(argument: String(parts[2])) else { return nil }
                self = key
            } else {
                self.bytes = Array(argument.utf8)
            }
        } else if let peer = PeerID(argument) {
            // Also a CID of version 0, which looks the same.
            self.bytes = peer.bytes
        } else if let cid = try? CID(argument) {
            self.bytes = cid.multihash.bytes
        } else {
            return nil
        }
    }

    /// The namespace, if it is the key of a value.
    var namespace: String? {
        let slash = UInt8(ascii: "/")
        guard self.bytes.first == slash, let end = self.bytes.dropFirst().firstIndex(of: slash), end > 1 else { return nil }
        return String(validating: self.bytes[1..<end], as: UTF8.self)
    }
}

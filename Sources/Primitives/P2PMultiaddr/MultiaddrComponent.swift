public import P2PIdentity
public import P2PMultiformats

/// One step of a multiaddr: a protocol and its value, such as `/tcp/4001` or `/ws`.
public struct MultiaddrComponent: Hashable, Sendable, CustomStringConvertible {
    /// The protocol.
    public let `protocol`: MultiaddrProtocol
    /// The value in its binary form, without a length; empty when the protocol has none.
    public let value: [UInt8]

    /// A value that is known to be valid.
    init(_ protocol: MultiaddrProtocol, validated value: [UInt8]) {
        self.protocol = `protocol`
        self.value = value
    }

    /// Takes a value in its binary form; none for protocols without one.
    ///
    /// - Throws: `.invalidValue`, or `.missingValue`.
    public init(_ protocol: MultiaddrProtocol, value: [UInt8] = []) throws(MultiaddrError) {
        try self.init(`protocol`, value: value, position: nil)
    }

    /// Takes a value in its text form, as it stands between slashes (for `unix`: from the slash before it to the end).
    ///
    /// - Throws: `.invalidValue`, `.missingValue`, or `.tooLong` beyond `Multiaddr.maxTextLength`.
    public init(_ protocol: MultiaddrProtocol, text: String) throws(MultiaddrError) {
        guard text.utf8.count <= Multiaddr.maxTextLength else {
            throw MultiaddrError(
                .tooLong, "the value has \(text.utf8.count) bytes, at most \(Multiaddr.maxTextLength) are read", component: `protocol`.name)
        }
        try self.init(`protocol`, text: Array(text.utf8)[...], position: nil)
    }

    init(_ protocol: MultiaddrProtocol, value: [UInt8], position: Int?) throws(MultiaddrError) {
        switch `protocol`.size {
        case .none:
            guard value.isEmpty else { throw InvalidValue("it has no value").error(in: `protocol`, at: position) }
        case .fixed(let bits):
            guard value.count == bits / 8 else {
                throw InvalidValue("the value has \(value.count) bytes instead of \(bits / 8)").error(in: `protocol`, at: position)
            }
        case .variable:
            guard !value.isEmpty else {
                throw MultiaddrError(.missingValue, "the value is empty", component: `protocol`.name, position: position)
            }
        }
        do throws(InvalidValue) {
            try `protocol`.format.validate(value)
        } catch {
            throw error.error(in: `protocol`, at: position)
        }
        self.init(`protocol`, validated: value)
    }

    init(_ protocol: MultiaddrProtocol, text: ArraySlice<UInt8>, position: Int?) throws(MultiaddrError) {
        guard !text.isEmpty else {
            throw MultiaddrError(.missingValue, "the value is empty", component: `protocol`.name, position: position)
        }
        let value: [UInt8]
        do throws(InvalidValue) {
            value = try `protocol`.format.parse(text)
        } catch {
            throw error.error(in: `protocol`, at: position)
        }
        try self.init(`protocol`, value: value, position: position)
    }

    /// The value in its text form; empty when the protocol has none.
    public var text: String { self.protocol.format.text(of: self.value) }

    /// The component as it stands in an address: `/tcp/4001`, `/ws`, `/unix/run/socket`.
    public var description: String {
        switch self.protocol.size {
        case .none: "/\(self.protocol.name)"
        case .fixed, .variable: self.protocol.isPath ? "/\(self.protocol.name)\(self.text)" : "/\(self.protocol.name)/\(self.text)"
        }
    }

    /// The address of `ip4` or `ip6`.
    public var ipAddress: IPAddress? {
        switch self.protocol {
        case .ip4, .ip6: IPAddress(bytes: self.value)
        default: nil
        }
    }

    /// The port of `tcp`, `udp`, `sctp`, `dccp`, `onion` or `onion3`.
    public var port: UInt16? {
        switch self.protocol.format {
        case .port, .onion, .onion3: UInt16(truncatingIfNeeded: MultiaddrValueFormat.bigEndianNumber(self.value.suffix(2)))
        default: nil
        }
    }

    /// The name of `dns`, `dns4`, `dns6`, `dnsaddr`, `sni`, `ip6zone` or `memory`.
    public var name: String? { self.protocol.format == .name ? self.text : nil }

    /// The peer id of `p2p`.
    public var peerID: PeerID? { self.protocol == .p2p ? try? PeerID(bytes: self.value) : nil }

    /// The hash of `certhash`.
    public var multihash: Multihash? { self.protocol == .certhash ? try? Multihash(bytes: self.value) : nil }

    /// Appends the binary form: code, length where it varies, value.
    func append(to bytes: inout [UInt8]) {
        UnsignedVarint.append(self.protocol.code, to: &bytes)
        if self.protocol.size == .variable {
            UnsignedVarint.append(UInt64(self.value.count), to: &bytes)
        }
        bytes += self.value
    }
}

extension MultiaddrComponent {
    /// `/ip4/…` or `/ip6/…`.
    public static func ip(_ address: IPAddress) -> Self { Self(address.isIPv4 ? .ip4 : .ip6, validated: address.bytes) }

    /// `/tcp/…`.
    public static func tcp(_ port: UInt16) -> Self { Self(.tcp, validated: MultiaddrValueFormat.bigEndian(port)) }

    /// `/udp/…`.
    public static func udp(_ port: UInt16) -> Self { Self(.udp, validated: MultiaddrValueFormat.bigEndian(port)) }

    /// `/p2p/…`.
    public static func p2p(_ peer: PeerID) -> Self { Self(.p2p, validated: peer.bytes) }

    /// `/certhash/…`.
    public static func certhash(_ hash: Multihash) -> Self { Self(.certhash, validated: hash.bytes) }

    /// `/quic-v1`.
    public static let quicV1 = Self(.quicV1, validated: [])
    /// `/ws`.
    public static let ws = Self(.ws, validated: [])
    /// `/wss`.
    public static let wss = Self(.wss, validated: [])
    /// `/tls`.
    public static let tls = Self(.tls, validated: [])
    /// `/p2p-circuit`.
    public static let p2pCircuit = Self(.p2pCircuit, validated: [])
}

package import P2PCore

/// The names by which the two sides agree, within the handshake, that they speak libp2p, and with which muxer
/// (libp2p TLS spec, "ALPN"; inlined-muxer-negotiation spec).
package enum ApplicationProtocols {
    /// Stands for no muxer: multistream-select goes on behind the handshake.
    static let libp2p = "libp2p"
    /// The longest name that fits, in bytes.
    private static let maximumLength = 255

    /// What a dialer with these muxers offers.
    static func offers(of muxers: [ProtocolID]) -> [String] {
        muxers.map(\.name).filter { $0.utf8.count <= Self.maximumLength } + [Self.libp2p]
    }

    /// What a listener with these muxers picks: the dialer's first muxer that is ours too, else libp2p; nil when it offers neither.
    package static func choice(from offers: [[UInt8]], muxers: [ProtocolID]) -> String? {
        let ours = Dictionary(Self.offers(of: muxers).map { (Array($0.utf8), $0) }) { first, _ in first }
        let libp2p = Array(Self.libp2p.utf8)
        if let muxer = offers.first(where: { $0 != libp2p && ours[$0] != nil }) { return ours[muxer] }
        return offers.contains(libp2p) ? Self.libp2p : nil
    }

    /// The muxer that an agreed name stands for.
    static func muxer(of name: String) -> ProtocolID? {
        name == Self.libp2p ? nil : ProtocolID(validating: name)
    }
}

import P2PCore

/// Why a peer closed a connection (RFC 9000, section 20).
struct QUICPeerClose: Hashable, CustomStringConvertible {
    /// CRYPTO_ERROR: a TLS alert is added to it.
    static let cryptoError: UInt64 = 0x100
    /// The alert of a peer with whom no protocol is shared (RFC 7301).
    static let noApplicationProtocol: UInt64 = 120
    /// Characters of a peer's own words that are repeated.
    static let quoted = 64

    let code: UInt64
    let isApplication: Bool
    let reason: String

    private var alert: UInt64? {
        !self.isApplication && (Self.cryptoError..<Self.cryptoError + 256).contains(self.code) ? self.code - Self.cryptoError : nil
    }

    /// What a handshake failed with that ended so.
    var transportCode: TransportError.Code {
        switch self.alert {
        case .some(Self.noApplicationProtocol): .negotiationFailed
        case .some: .securityFailed
        case nil: .closed
        }
    }

    var description: String {
        // A peer's own words: nothing of them may move a cursor or fill a line.
        let words = self.reason.filter { $0 >= " " && $0 <= "~" }.prefix(Self.quoted)
        let quote = words.isEmpty ? "" : " (\"\(words)\")"
        let number = "0x" + String(self.code, radix: 16)
        if let alert { return "the peer ended the handshake with TLS alert \(alert)\(quote)" }
        if self.isApplication { return self.code == 0 ? "the peer said goodbye\(quote)" : "the peer closed it with code \(number)\(quote)" }
        return "the peer closed it with QUIC error \(number)\(quote)"
    }
}

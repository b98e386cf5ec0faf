import P2PCore

/// The names of AutoNAT's protocols.
enum AutoNATProtocols {
    static let version1: ProtocolID = "/libp2p/autonat/1.0.0"
    static let version2Request: ProtocolID = "/libp2p/autonat/2/dial-request"
    static let version2DialBack: ProtocolID = "/libp2p/autonat/2/dial-back"
}

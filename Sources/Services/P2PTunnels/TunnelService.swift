public import P2PCore
public import P2PIdentity

/// A local service that peers reach by its name.
public struct TunnelService: Sendable, Hashable {
    /// Who may reach a service.
    public enum Access: Sendable, Hashable {
        /// Every peer that connects to this node, as far as its policy lets it.
        case anyone
        /// These. To others it is as if there were no such service.
        case peers(Set<PeerID>)

        func includes(_ peer: PeerID) -> Bool {
            switch self {
            case .anyone: true
            case .peers(let peers): peers.contains(peer)
            }
        }
    }

    /// What the service is told of the peer, before anything that the peer says.
    public enum Introduction: String, Sendable, Hashable, CaseIterable {
        /// Nothing.
        case none
        /// The peer's id in base58 and a newline, as kubo's `-r` does.
        case line
        /// The PROXY protocol's header, version 2, with the id in the TLV 0xE0.
        case proxy
    }

    /// How peers name it.
    public var name: TunnelName
    /// Where it is. This node alone knows.
    public var target: TunnelEndpoint
    /// Whether it takes datagrams.
    public var isDatagrams: Bool
    /// Who may reach it.
    public var access: Access
    /// What it is told of who comes; nothing, where it takes datagrams.
    public var introduction: Introduction

    /// A service; by default one of bytes, which every peer may reach.
    public init(
        _ name: TunnelName, at target: TunnelEndpoint, isDatagrams: Bool = false, access: Access = .anyone,
        introduction: Introduction = .none
    ) {
        self.name = name
        self.target = target
        self.isDatagrams = isDatagrams
        self.access = access
        self.introduction = introduction
    }
}

extension TunnelService {
    /// A service by texts, such as `/x/ssh` and `127.0.0.1:22`.
    ///
    /// - Throws: ``TunnelError`` (`badRequest`) for a name or a target that is none.
    public init(
        _ name: String, at target: String, isDatagrams: Bool = false, access: Access = .anyone, introduction: Introduction = .none
    ) throws(TunnelError) {
        guard let name = TunnelName(name) else { throw TunnelError(.badRequest, "\(name) is no name of a service") }
        guard let target = TunnelEndpoint(target) else { throw TunnelError(.badRequest, "\(target) is no end of a tunnel") }
        self.init(name, at: target, isDatagrams: isDatagrams, access: access, introduction: introduction)
    }
}

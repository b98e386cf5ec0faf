import P2PCore
import P2PIdentity

/// What is said and known where the host is gone: nothing.
struct AbsentIntroductions: PeerIntroducing {
    func introduction(to connection: ConnectionInfo) async -> Introduction { Introduction() }

    func introduced(_ introduction: Introduction, on connection: ConnectionInfo) async {}

    var introductionChanges: AsyncStream<Void> { AsyncStream { $0.finish() } }

    func connections(serving protocolID: ProtocolID) async -> [ConnectionInfo] { [] }
}

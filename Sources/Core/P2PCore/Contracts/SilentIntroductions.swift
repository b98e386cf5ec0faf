import P2PIdentity

/// Says nothing, and is told nothing: where the host is gone, and in the tests of protocols.
package struct SilentIntroductions: PeerIntroducing {
    package init() {}

    package func introduction(to connection: ConnectionInfo) async -> Introduction { Introduction() }
    package func introduced(_ introduction: Introduction, on connection: ConnectionInfo) async {}
    package var introductionChanges: AsyncStream<Void> { AsyncStream { $0.finish() } }
    package func connections(serving protocolID: ProtocolID) async -> [ConnectionInfo] { [] }
}

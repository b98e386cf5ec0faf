import Logging
import NIOCore
import P2PCore
import P2PEcho
public import P2PHost
import P2PIdentify
public import P2PIdentity
import P2PNoise
import P2PPerf
import P2PPing
import P2PPipeline
import P2PTCP
import P2PYamux

extension PeerHost {
    /// A host over TCP that serves identify, ping and, unless told otherwise, echo and perf.
    ///
    /// - Parameters:
    ///   - identity: names the node; it signs once for its handshakes and once for each change of its addresses.
    ///   - configuration: secure channels, muxers, limits.
    /// - Throws: ``TransportError/Code/notBuiltIn`` for a secure channel or muxer that is not there;
    ///   ``TransportError/Code/securityFailed`` when the identity does not sign, or the metadata is too long.
    public static func standard(
        identity: any IdentityKey, configuration: StandardConfiguration = StandardConfiguration()
    ) async throws -> PeerHost {
        let upgrader = Upgrader(
            localPeer: PeerID(identity.publicKey), security: try await self.security(identity, configuration),
            muxers: try self.muxers(configuration), windowBudget: MemoryBudget(limit: configuration.windowBudget),
            inboundTimeout: TimeAmount(configuration.host.handshakeTimeout))
        let tcp = UpgradingTransport(TCPTransport(group: configuration.group, logger: configuration.logger), upgrader: upgrader)
        let host = PeerHost(
            identity: identity, transports: [tcp], configuration: configuration.host, gater: configuration.gater,
            peerstore: configuration.peerstore, logger: configuration.logger)
        let identify = Identify(introducing: host, logger: configuration.logger)
        var handlers = identify.handlers + [PingProtocol()]
        if configuration.servesEcho { handlers.append(EchoProtocol()) }
        if configuration.servesPerf { handlers.append(PerfProtocol()) }
        for handler in handlers { try host.register(handler) }
        host.register(greeting: identify)
        host.runAlongside { streams in await identify.pushChanges(opening: streams) }
        return host
    }

    private static func security(
        _ identity: any IdentityKey, _ configuration: StandardConfiguration
    ) async throws(TransportError) -> [any SecureChannel] {
        var channels: [any SecureChannel] = []
        for name in configuration.security {
            guard name == .noise else { throw Self.notBuiltIn("secure channel", name.description) }
            do throws(NoiseError) {
                channels.append(try await NoiseSecurity.make(identity: identity, metadata: configuration.appMetadata))
            } catch {
                throw TransportError(.securityFailed, "no Noise handshake can be made with this identity", cause: error)
            }
        }
        guard !channels.isEmpty else { throw TransportError(.notBuiltIn, "a host needs at least one secure channel") }
        return channels
    }

    private static func muxers(_ configuration: StandardConfiguration) throws(TransportError) -> [any StreamMuxer] {
        var muxers: [any StreamMuxer] = []
        for name in configuration.muxers {
            guard name == .yamux else { throw Self.notBuiltIn("stream muxer", name.description) }
            muxers.append(Yamux(configuration: configuration.yamux))
        }
        guard !muxers.isEmpty else { throw TransportError(.notBuiltIn, "a host needs at least one stream muxer") }
        return muxers
    }

    private static func notBuiltIn(_ kind: String, _ name: String) -> TransportError {
        TransportError(.notBuiltIn, "there is no \(kind) named \"\(name.prefix(64))\" in this build")
    }
}

import Logging
import P2PCore
import P2PIdentity
import P2PTunnels

/// What the tool says of tunnels.
enum TunnelText {
    static func serving(_ service: TunnelService, isPoliced: Bool) -> String {
        let whom =
            switch service.access {
            case .peers(let peers): peers.map(\.description).sorted().joined(separator: ", ")
            case .anyone: isPoliced ? "those whom the policy grants service:\(service.name)" : "every peer that connects"
            }
        return "serving \(service.name) at \(service.target)\(service.isDatagrams ? " (datagrams)" : "") to \(whom)"
    }

    /// What is said of a service that nobody is kept from; nil for others.
    static func warning(of service: TunnelService, isPoliced: Bool) -> String? {
        guard service.access == .anyone, !isPoliced else { return nil }
        return """
            WARNING: every peer that connects may use \(service.name) at \(service.target). Say who may: --peer ID (peer=ID in a file), or --policy.

            """
    }

    static func forwarding(_ listen: TunnelEndpoint, _ forward: TunnelForward) -> String {
        "forwarding \(listen) to \(forward.name) of \(forward.peer)\(forward.isDatagrams ? " (datagrams)" : "")"
    }
}

extension JSONObject {
    static func serving(_ service: TunnelService, isPoliced: Bool) -> JSONObject {
        let access: JSONValue =
            switch service.access {
            case .peers(let peers): .array(peers.map(\.description).sorted().map { .string($0) })
            case .anyone: isPoliced ? "policy" : "anyone"
            }
        return [
            "event": "serving", "service": .text(service.name), "target": .text(service.target), "udp": .bool(service.isDatagrams),
            "peers": access,
        ]
    }

    static func forwarding(_ listen: TunnelEndpoint, _ forward: TunnelForward) -> JSONObject {
        [
            "event": "forwarding", "listen": .text(listen), "peer": .text(forward.peer), "service": .text(forward.name),
            "udp": .bool(forward.isDatagrams),
        ]
    }
}

/// Tells of what goes wrong with tunnels.
enum TunnelReport {
    private static let logger = Logger(label: "p2p.tunnel")

    /// Prints events, and answers those who list and close tunnels, until the task is cancelled, or the tunnels end.
    static func run(_ tunnels: Tunnels, _ console: Console) async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await TunnelControl.serve(tunnels) } catch {
                    self.logger.notice("these tunnels can't be listed or closed by p2p tunnel", metadata: ["reason": "\(error)"])
                }
            }
            await self.printEvents(of: tunnels, console)
            group.cancelAll()
        }
    }

    private static func printEvents(of tunnels: Tunnels, _ console: Console) async {
        for await event in tunnels.events {
            switch event {
            case .failed(let id, let peer, let error):
                // How programs end their connections is no news.
                guard error.code != .broken else { continue }
                let error = ToolError(error)
                console.announce(
                    [
                        "event": "tunnel_failed", "tunnel": .text(id), "peer": peer.map { .text($0) } ?? .null,
                        "code": .string(error.code), "message": .string(error.message),
                    ],
                    "tunnel \(id)\(peer.map { " with \($0)" } ?? ""): \(error)")
            }
        }
    }
}

import ArgumentParser
import P2PIdentity
import P2PTunnels

/// How tunnels are named on the command line.
enum TunnelArgument {
    static func name(_ text: String) throws -> TunnelName {
        guard let name = TunnelName(text) else {
            throw ValidationError(
                "\(text) names no service: /x/ and 1 to 64 letters, digits, dots, underscores and hyphens, such as /x/ssh.")
        }
        return name
    }

    static func target(_ text: String) throws -> TunnelEndpoint {
        let endpoint = try self.endpoint(text)
        if case .ip(_, 0) = endpoint { throw ValidationError("\(text) has no port to connect to.") }
        return endpoint
    }

    static func endpoint(_ text: String) throws -> TunnelEndpoint {
        guard let endpoint = TunnelEndpoint(text) else {
            throw ValidationError("\(text) is no HOST:PORT, such as 127.0.0.1:22 or [::1]:22, nor unix:PATH.")
        }
        return endpoint
    }

    static func peer(_ text: String) throws -> PeerID {
        guard let peer = PeerID(text) else { throw ValidationError("\(text) is no peer's id.") }
        return peer
    }
}

/// What the command line has a service told of peers.
enum IntroductionChoice: String, ExpressibleByArgument, CaseIterable {
    case none, line, proxy

    var introduction: TunnelService.Introduction {
        switch self {
        case .none: .none
        case .line: .line
        case .proxy: .proxy
        }
    }
}

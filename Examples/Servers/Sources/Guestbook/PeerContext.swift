import Hummingbird
import Logging
import P2P

/// What Hummingbird is told of a request that came over a stream.
struct PeerSource: RequestContextSource {
    let logger: Logger
    let peer: PeerID

    init(peer: PeerID) {
        var logger = Logger(label: "guestbook")
        logger[metadataKey: "peer"] = "\(peer)"
        logger[metadataKey: "hb.request.id"] = "\(RequestID())"
        self.logger = logger
        self.peer = peer
    }
}

/// What routes know of a request: who asks. The connection has proved it.
struct PeerContext: RequestContext {
    typealias Source = PeerSource

    var coreContext: CoreRequestContextStorage
    let peer: PeerID

    init(source: PeerSource) {
        self.coreContext = CoreRequestContextStorage(source: source)
        self.peer = source.peer
    }
}

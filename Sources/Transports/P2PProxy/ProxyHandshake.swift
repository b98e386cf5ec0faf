package import NIOCore
package import P2PCore
package import P2PPipeline

/// A ``ProxyDialogue`` whose errors name the proxy.
package struct ProxyHandshake: ChannelDialogue {
    private let proxy: ProxyURL
    private var dialogue: ProxyDialogue

    package init(_ proxy: ProxyURL, to target: ProxyTarget) {
        self.proxy = proxy
        self.dialogue = ProxyDialogue(proxy, to: target)
    }

    package var opening: ByteBuffer? { self.dialogue.opening }

    package mutating func received(_ bytes: inout ByteBuffer) throws(TransportError) -> DialogueStep {
        do throws(ProxyError) {
            return try self.dialogue.received(&bytes)
        } catch {
            throw TransportError(error.isRefusal ? .unreachable : .negotiationFailed, "\(self.proxy): \(error.message)")
        }
    }

    package func failure(_ end: DialogueEnd) -> TransportError {
        switch end {
        case .closed: TransportError(.unreachable, "\(self.proxy): it hung up before it had connected")
        case .takenDown: TransportError(.closed, "\(self.proxy): the channel was taken down before it had connected")
        case .broken(let error):
            TransportError(.unreachable, "\(self.proxy): the channel broke before it had connected", cause: error)
        }
    }
}

/// The proxy's part of a dial.
struct ProxyDialing: ChannelPreparation {
    let proxy: ProxyURL
    let target: ProxyTarget

    func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>) {
        do {
            try channel.pipeline.syncOperations.addHandler(
                DialogueHandler(ProxyHandshake(self.proxy, to: self.target), promise: promise))
        } catch {
            promise.fail(TransportError(.closed, "\(self.proxy): the channel was closed before the handshake", cause: error))
        }
    }
}

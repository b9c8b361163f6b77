package portal
import ("testing";"net";"time")
func TestShow(t *testing.T){ p:=newPortal(t,Options{}); p.info.Organisation="x"; l,_:=net.Listen("tcp","127.0.0.1:18080"); go p.Serve(t.Context(),l,false); time.Sleep(400*time.Second)}

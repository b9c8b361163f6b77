package edoc
import ("testing";"bytes";"runtime";"strings")
func TestBig(t *testing.T){
 p:=parsePackage(t, sample(t,"congvan.edxml"))
 p.Files[0].Data=bytes.Repeat([]byte("%PDF-1.4 abc"), 50<<20/12)
 out,err:=p.Encode(); if err!=nil{t.Fatal(err)}
 s:=string(out)
 runtime.GC(); var a,b runtime.MemStats; runtime.ReadMemStats(&a)
 q,err:=ParseEdXML(strings.NewReader(s),Limits{}); if err!=nil{t.Fatal(err)}
 runtime.ReadMemStats(&b); t.Log(len(q.Files[0].Data), (b.TotalAlloc-a.TotalAlloc)>>20, (b.Sys-a.Sys)>>20)
}
